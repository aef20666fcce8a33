"""The wire contracts that clients speak: `openai`, `bifrost`, `anthropic`, `novita`, `merge`, each a folder of five files:

* `urls`: the paths of the dialect, and one line that mounts it (`http.mounts`);
* `views`: each view parses a call and calls one service (`http.views.DialectView`, `http.paging`);
* `inbound`: serializers of the bodies that clients send (`http.fields`, `http.parsers`);
* `outbound`: serializers of the answers (`http.rendering`);
* `errors`: one function that renders any error in the dialect's format (`http.errors`).

`shared` has the code that several dialects use. Start with `openai.urls`.
"""
