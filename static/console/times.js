// Keeps relative times true while a page stays open. Same words as the server's.
function coarse(seconds) {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function relative(moment) {
  const distance = (moment - Date.now()) / 1000;
  const seconds = Math.abs(distance);
  if (seconds < 60) return distance > 0 ? "in a moment" : "just now";
  return distance > 0 ? `in ${coarse(seconds)}` : `${coarse(seconds)} ago`;
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const words = relative(Date.parse(time.dateTime));
    if (time.textContent !== words) time.textContent = words;
  }
}, 20_000);
