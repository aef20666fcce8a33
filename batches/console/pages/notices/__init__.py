"""The pages of notices, which belong to a person's account: the subscriptions, one subscription, and the acts on them.

Start with `subscription_pages`. A person sees and changes their own subscriptions, and nobody else's.
"""
