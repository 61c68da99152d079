"""Task Manager: a web application that answers at once and hands its slow work to workers."""
