"""The three loops: observe, judge, deliver. Each reads rows, asks the core, writes rows in one transaction.

They meet the world only through `watcher.ports`, never call each other, and hand over through the store alone: a wake-up
signal is a hint and may be lost without harm.
"""
