"""What the course costs, beside what a user would pick otherwise: `python -m benchmarks`, and README.md."""
