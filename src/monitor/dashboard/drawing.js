/** Draws the page at most once per frame. The focus stays on its element, or moves to the heading of its section if the element is gone. */
let isDue = false;
let draw = () => {};

/** @param {() => void} drawAll */
export function drawBy(drawAll) {
  draw = drawAll;
  addEventListener('resize', setTabStops);
  redraw();
}

export function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const focused = document.activeElement;
    const section = focused?.closest('section, aside');
    draw();
    if (section && document.activeElement !== focused)
      (focused?.isConnected ? /** @type {HTMLElement} */ (focused) : section.querySelector('h2'))?.focus({
        preventScroll: true,
      });
    setTabStops();
  });
}

/** Makes containers tab stops while they can be scrolled, so that the keyboard can scroll them. */
function setTabStops() {
  for (const node of document.querySelectorAll('.scroll')) {
    const isScrolling = node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1;
    if (isScrolling !== node.hasAttribute('tabindex'))
      if (isScrolling) node.setAttribute('tabindex', '0');
      else node.removeAttribute('tabindex');
  }
}

/**
 * Returns an element of `index.html`. Throws if there is none.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 */
export function byId(id, kind) {
  const node = document.getElementById(id);
  if (!(node instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}.`);
  return node;
}
