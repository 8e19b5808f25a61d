// Runs in the listing page: fetches one page of products, draws their cards and sets `data-ready="true"` on the main element, for which
// tests and actions wait. After a failure `data-ready` stays "false" and `data-error` has the message.

const main = document.querySelector('main');
const status = main.querySelector('.status');
const grid = main.querySelector('.grid');

try {
  const response = await fetch(`/api/listing?page=${main.dataset.page}`);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const { items } = await response.json();
  grid.replaceChildren(...items.map(makeCard));
  status.hidden = true;
  main.dataset.ready = 'true';
} catch (error) {
  main.dataset.error = error.message;
  status.textContent = `The shelves could not be filled (${error.message}). Reload the page to try again.`;
} finally {
  grid.removeAttribute('aria-busy');
}

function makeCard(item) {
  const card = document.createElement('article');
  card.className = 'card';
  card.dataset.sku = item.sku;
  const picture = document.createElement('div');
  picture.className = 'picture';
  picture.innerHTML = item.picture;
  const price = new Intl.NumberFormat('en-IE', { style: 'currency', currency: item.currency }).format(item.price);
  card.append(
    picture,
    makeText('p', 'category', item.category),
    makeText('h2', 'name', item.name),
    makeText('p', 'price', price),
    makeText('p', 'sku', item.sku),
  );
  return card;
}

function makeText(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
