"""What the pipeline costs, measured: ``make bench``; one module per row of the table in docs/benchmarks.md."""
