// Pages of the server, and elements that are changed in place.

// Make `old` equal to `wanted` without replacing what is equal: focus and what is unfolded stay.
export function morph(old, wanted) {
  if (old.isEqualNode(wanted)) return;
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const before = [...old.childNodes];
  const after = [...wanted.childNodes];
  after.forEach((child, place) => morphChild(old, before[place], child));
  before.slice(after.length).forEach((child) => child.remove());
}

function morphChild(parent, old, wanted) {
  if (old === undefined) parent.append(wanted);
  else if (old.nodeName !== wanted.nodeName) old.replaceWith(wanted);
  else if (old.nodeType === Node.ELEMENT_NODE) morph(old, wanted);
  else if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
}

// The newest version of a page that the server renders.
export async function fetchPage(address) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  if (response.redirected) location.reload(); // to the form to sign in: the session has ended
  if (!response.ok) throw new Error(`${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}
