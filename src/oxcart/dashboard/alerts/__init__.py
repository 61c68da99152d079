"""Alerts: rules that are looked at while the dashboard runs, and whom they tell when they begin and cease to hold."""

from .rules import Alert, check_alerts, usual_alerts
from .sending import slack, webhook
from .watching import Watch, close, forget, watch

__all__ = ["Alert", "Watch", "check_alerts", "close", "forget", "slack", "usual_alerts", "watch", "webhook"]
