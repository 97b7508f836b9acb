// The page says all it has to say without this: it only adds a button and a read-out.
"use strict";

for (const button of document.querySelectorAll("[data-copies]")) {
  const text = document.getElementById(button.dataset.copies);
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      // Without the right to copy, the text is at least selected.
      getSelection().selectAllChildren(text);
    }
  });
}

for (const figure of document.querySelectorAll("[data-costs]")) {
  const plot = figure.querySelector(".plot");
  const cursor = figure.querySelector(".cursor");
  const line = cursor.querySelector("line");
  const dot = cursor.querySelector("circle");
  const readout = figure.querySelector(".readout");
  const initially = readout.textContent;
  const costs = figure.dataset.costs.split(" ").map(pair => pair.split(":"));
  // Vertices stand in units of 1/1000 of the plot, one for every cost.
  const vertices = [...plot.querySelectorAll(".curve")].flatMap(curve => [...curve.points]);

  plot.addEventListener("pointermove", event => {
    const box = plot.getBoundingClientRect();
    const x = 1000 * (event.clientX - box.left) / box.width;
    let nearest = 0;
    vertices.forEach((vertex, index) => {
      if (Math.abs(vertex.x - x) < Math.abs(vertices[nearest].x - x)) nearest = index;
    });
    const { x: left, y: top } = vertices[nearest];
    line.setAttribute("x1", `${left / 10}%`);
    line.setAttribute("x2", `${left / 10}%`);
    dot.setAttribute("cx", `${left / 10}%`);
    dot.setAttribute("cy", `${top / 10}%`);
    const [iteration, cost] = costs[nearest];
    readout.textContent = `Iteration ${Number(iteration).toLocaleString("en")}: cost ${cost}`;
    cursor.removeAttribute("hidden");
  });
  plot.addEventListener("pointerleave", () => {
    cursor.setAttribute("hidden", "");
    readout.textContent = initially;
  });
}
