// Starts Swagger UI from a file of our own: the page's policy allows no inline script.
// The URL is relative to /docs, whatever prefix a proxy puts before it.
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: new URL("openapi.json", document.baseURI).href,
    dom_id: "#swagger-ui",
    deepLinking: true,
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
  });
});
