// A click on a column's head sorts the table by that column; a second click reverses the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      const key = (row) => row.cells[column].dataset.sort;
      const compare = (first, second) => {
        const keys = [key(first), key(second)], numbers = keys.map(Number);
        return numbers.some(Number.isNaN) ? keys[0].localeCompare(keys[1]) : numbers[0] - numbers[1];
      };
      const rows = [...body.rows].sort((first, second) => (descending ? -1 : 1) * compare(first, second));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
// Collapsed parts are opened for printing, because paper has no other way to show them.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-folded]")) details.open = false;
});
