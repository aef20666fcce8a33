// What is cut off or has to be scrolled sideways to be read. Code, fields and what only hears are not meant.
() => {
  const meant = (element) => !element.closest(".sr, .code, textarea, select, input, pre, svg");
  const scrolls = new Set(["auto", "scroll", "hidden", "clip"]);
  const found = [...document.body.querySelectorAll("*")].filter(
    (element) =>
      meant(element) &&
      element.checkVisibility() &&
      element.clientWidth > 1 && // else it is there for who hears the page
      element.scrollWidth > element.clientWidth + 1 &&
      scrolls.has(getComputedStyle(element).overflowX) &&
      getComputedStyle(element).textOverflow !== "ellipsis",
  );
  return found.map((element) => `${element.tagName.toLowerCase()}#${element.id}.${element.className}: ${element.scrollWidth} > ${element.clientWidth}`);
}
