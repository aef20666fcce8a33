"""The pages, by what an operator came for: `batches`, `outcomes`, `acts`, `portal`. Each module is one page or a few of a kind.

A page parses, asks or calls one service, and renders. It knows `kit` and `drawing`. Start with `batches.batch_page`.
"""
