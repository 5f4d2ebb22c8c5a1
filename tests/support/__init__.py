"""What tests of several folders import by name; fixtures stand in the `conftest.py` nearest to their users."""
