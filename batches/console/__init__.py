"""The operators' console: server-rendered pages in `pages`, what they draw in `drawing`, and what they share in `kit`.

Signing in and the pages of a person's own account are in `account`. Pages know services, filters and `http.senders`. No other
package knows pages.
Start with `urls`.
"""
