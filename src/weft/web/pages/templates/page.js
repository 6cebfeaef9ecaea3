for (const button of document.querySelectorAll("button[data-reveals]")) {
  const entry = document.getElementById(button.dataset.reveals);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = button.textContent === "Show";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", `${button.textContent} ${button.dataset.title}`);
    if (entry.tagName === "TEXTAREA") entry.classList.toggle("shown", shown);
    else entry.type = shown ? "text" : "password";
  });
}
for (const form of document.forms) {
  form.addEventListener("submit", () => {
    // A browser remembers what is in a text field, and not what is in a password field.
    for (const entry of form.querySelectorAll("input.secret")) entry.type = "password";
    const action = form.querySelector(".main-action");
    action.disabled = true;
    action.textContent = action.dataset.busy;
  });
}
addEventListener("pageshow", (event) => {
  // Coming back to this page must not bring back what was typed, nor a button that is disabled.
  if (event.persisted) location.reload();
});
