from hypothesis import settings

# No deadline: the machine is shared with the other workers.
settings.register_profile("tests", deadline=None, max_examples=60, database=None)
settings.load_profile("tests")
