"""A batch's way from submission to its end: validate, claim, settle, finalize; expire, fail, rewrite.

The engine calls this room; each function here is safe to repeat. It knows every room below it. Start with `claim`.
"""
