/** When the page is drawn: at most once per frame, however many facts arrive. Focus stays where it is, or in its section. */
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

/** A container that scrolls is reached by keyboard; otherwise it is no tab stop. */
function setTabStops() {
  for (const node of document.querySelectorAll('.scroll')) {
    const isScrolling = node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1;
    if (isScrolling !== node.hasAttribute('tabindex'))
      if (isScrolling) node.setAttribute('tabindex', '0');
      else node.removeAttribute('tabindex');
  }
}

/**
 * An element of `index.html`.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 */
export function byId(id, kind) {
  const node = document.getElementById(id);
  if (!(node instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}.`);
  return node;
}
