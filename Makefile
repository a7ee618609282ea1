# The same as `python3 dev.py ...`, for those who type make.
PYTHON ?= python3
.PHONY: demo test install format
demo test install:
	$(PYTHON) dev.py $@
format: install
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .
