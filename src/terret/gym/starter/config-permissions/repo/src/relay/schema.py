"""The settings there are: kind and default; None means that a setting is required."""

from relay.kinds import duration, text, whole

SETTINGS = {
    "listen.host": (text, None),
    "listen.port": (whole(1, 65535), None),
    "timeouts.connect": (duration, 5.0),
    "timeouts.idle": (duration, 60.0),
    "limits.connections": (whole(1, 10000), 100),
}
