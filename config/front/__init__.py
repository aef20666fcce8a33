"""What stands between clients and Django: connections, bodies and answers on an event loop, Django in a few threads.

No thread waits for the bytes of a stranger, and no client takes all threads. `bridge` is where a request comes in,
`exchange` is its thread, and `connection` gives up a client that is too slow. A request that only waits for something to
happen belongs on the event loop: thousands of them cost no thread.

The servers were compared with 1,000 slow strangers and 200 slow clients with a key. Servers of blocking threads (Granian in
WSGI mode, gunicorn) answer nobody; Granian behind nginx answers no API call, for the proxy passes slow readers on. Granian in
ASGI mode answers. But it keeps a connection that sends nothing or reads nothing for ever, the application cannot end one, and
an answer that breaks off looks complete. uvicorn lets all of that be decided here, at the same CPU for a call of the API.
"""
