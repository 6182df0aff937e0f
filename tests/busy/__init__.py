"""A kind of step that holds its worker's lane, for tests of what must not wait for such steps."""
