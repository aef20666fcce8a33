"""Taking results, comparisons and problems of inputs out, as CSV for people and as JSON lines for programs.

Owns what an export holds, what it is called, and what it leaves out for whom. It asks results, retries and comparisons, and it
writes nothing. Everything is streamed: memory holds a few hundred rows and a few MB of answers. Start with `results_export`.
"""
