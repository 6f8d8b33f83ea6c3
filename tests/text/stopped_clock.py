"""The same moment for expo and for transformers, so that templates that tell the time can be compared."""

import datetime

MOMENT = datetime.datetime(2024, 2, 29, 13, 42, 3)
NOW = int(MOMENT.replace(tzinfo=datetime.timezone.utc).timestamp())  # for text_tool


class Clock(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return MOMENT


def stop_the_clock():
    """transformers' templates tell MOMENT from here on."""
    from transformers.utils import chat_template_utils

    chat_template_utils.datetime = Clock
    return chat_template_utils
