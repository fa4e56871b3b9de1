// Sorting: a click on a column's head orders the table by it, a second click the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      const value = (row) => row.cells[column].dataset.sort;
      const compare = (one, other) => {
        const a = value(one), b = value(other), numbers = [Number(a), Number(b)];
        return numbers.some(Number.isNaN) ? a.localeCompare(b) : numbers[0] - numbers[1];
      };
      const rows = [...body.rows].sort((one, other) => (descending ? -1 : 1) * compare(one, other));
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
// Print shows everything, so nothing may stay folded.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    folded.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-folded]")) folded.open = false;
});
