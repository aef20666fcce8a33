"""Webhooks and notices in the engine: the loop that sends events to their receivers, and tells people.

Every decision is in `services.webhooks` and `services.notices`. `deliverer` is the loop, and `sender` makes the calls: through
the guard against private addresses, without redirects. `teller` is the loop's part for people; it uses `sender` and `mail`. Both
parts record their tries by `recording`.
"""
