"""What stands between clients and Django: connections, bodies and answers on an event loop, Django in a few threads.

No thread waits for the bytes of a stranger, and no client takes all threads. `bridge` is where a request comes in;
`connection` is where a client that is too slow is given up.
"""
