"""The front: the part of the web server between clients and Django.

An event loop handles connections, bodies and answers; Django runs in a few threads. No thread waits for the bytes of a
stranger, and no client takes all threads. `bridge` receives each request, `exchange` runs Django for it in a thread, and
`connection` drops a client that is too slow. A request that only waits for an event should wait on the event loop, where
thousands of such requests cost no thread.

Other servers were compared under a load of 1,000 slow strangers and 200 slow clients with a key:

* Servers with blocking threads (Granian in WSGI mode, gunicorn) answer no client.
* Granian behind nginx answers no API call, since the proxy passes on the slowness of clients that read slowly.
* Granian in ASGI mode answers. But it keeps a connection that sends or reads nothing for ever, the application cannot end
  such a connection, and an answer that breaks off looks complete.
* uvicorn lets this package decide all of this, and takes the same CPU for a call of the API.
"""
