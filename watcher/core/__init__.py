"""The functional core: what the product decides, as plain values and pure functions.

Standard library only; no I/O, no clock, no chance: `now` is an argument. One module per arrow of the flow:
snapshot → diff, presence, sight → event → alert → route → group → notification → delivery.
"""
