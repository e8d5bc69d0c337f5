"""What the tests of the documentation share: pages as they read them, and what the code has that pages may name."""
