"""What all dialects share. A dialect is a folder beside this one, of five files:

* `urls`: its paths, and one line that mounts it (`mounts`);
* `views`: each parses and makes one call of a service (`views.DialectView`, `paging`);
* `inbound`: serializers of what clients send (`fields`, `parsers`);
* `outbound`: serializers of what they get (`rendering`);
* `errors`: one function that renders any error in the dialect's words (`errors`).
"""
