"""For those who run or manage it: `/setup`, `/status`, and `/help` for everybody."""
