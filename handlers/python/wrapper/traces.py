"""Errors of a handler, for its log."""

import os
import sys
import traceback

OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep


def print_users(error):
    """From the user's own first line on: how it was called is our business."""
    trace = users = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(OURS):
            users = trace.tb_next
        trace = trace.tb_next
    traceback.print_exception(type(error), error, users, file=sys.stderr)
