"""Drain: what a web process that was told to stop does before it stops listening.

A load balancer learns from `/readyz/web` that the process is about to end, and needs a moment to look. Until then it sends new
requests here. So the process goes on answering, and closes each connection after its answer, so that the client's next
request opens a connection elsewhere.
"""

from threading import Event

# Set while this process drains. Probes, connections and the server of one process share it; a new server clears it.
draining = Event()
