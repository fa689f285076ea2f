"""Pure functions from a declaration, traffic and prices to what it will cost and how fast it will answer.

Data in, data out. `evaluate.evaluate` plans one placed endpoint, `search.search` finds a place for one that leaves it
open. Nothing is imported here: who asks for a price must not pay for the simulation.
"""
