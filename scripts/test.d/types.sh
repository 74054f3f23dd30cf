# The types of other languages are what the core's types give.
suite types python3 scripts/generate_types.py --check
