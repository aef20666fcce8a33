"""The wire contracts that clients speak: `openai`, `bifrost`, `anthropic`, `novita`, `merge`, each a folder of five files:

* `urls`: its paths, and one line that mounts it (`http.mounts`);
* `views`: each parses and makes one call of a service (`http.views.DialectView`, `http.paging`);
* `inbound`: serializers of what clients send (`http.fields`, `http.parsers`);
* `outbound`: serializers of what they get (`http.rendering`);
* `errors`: one function that renders any error in the dialect's words (`http.errors`).

What several of them do is in `shared`. Start with `openai.urls`.
"""
