"""The embedded stack: starts and stops the real services that the pipeline runs against on one machine."""
