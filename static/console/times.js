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

function running(start) {
  const seconds = Math.max(Math.floor((Date.now() - start) / 1000), 0);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-running]")) time.textContent = running(Date.parse(time.dateTime));
}, 1000);

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const words = relative(Date.parse(time.dateTime));
    if (time.textContent !== words) time.textContent = words;
  }
}, 20_000);
