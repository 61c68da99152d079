"""VAPID: the key that tells the vendors of browsers who we are. `python -m taskmanager.vapid` makes one."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .settings import Settings

CURVE = ec.SECP256R1()


def private_key(settings: Settings) -> str:
    """The key to sign with; empty if there is none."""
    if text := settings.vapid_private_key.get_secret_value():
        return text
    if settings.production:
        return ""  # a key of a moment would be another one after the next start, and all subscriptions void
    return _kept_in(settings.data_dir / "vapid.key")


def new_private_key() -> str:
    """A key as `VAPID_PRIVATE_KEY` takes it."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return _text(number.to_bytes(32, "big"))


def public_key(private: str) -> str:
    """The other half, as browsers take it."""
    number = int.from_bytes(_bytes(private), "big")
    point = ec.derive_private_key(number, CURVE).public_key()
    return _text(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def is_public_key(text: str) -> bool:
    """Whether it is a public key, as browsers send theirs."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, _bytes(text))
    except ValueError:
        return False
    return True


def is_auth_secret(text: str) -> bool:
    """Whether it is what a browser sends beside its key: 16 bytes (RFC 8291)."""
    try:
        return len(_bytes(text)) == 16
    except ValueError:
        return False


def _kept_in(file: Path) -> str:
    """The key in this file, made if need be. Whichever process is first makes it; all have the same."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(new_private_key())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_text()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


if __name__ == "__main__":
    print(f"VAPID_PRIVATE_KEY={new_private_key()}")
