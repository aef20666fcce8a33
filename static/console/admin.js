// Before the first paint: the colours that were chosen in the console. Its own pages have them from the server.
const chosen = document.cookie.match(/(?:^|; )theme=(light|dark)(?:;|$)/);
if (chosen) document.documentElement.dataset.theme = chosen[1];
