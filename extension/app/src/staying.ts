/**
 * Keeps the page from being left by what it shows. HTML in an output of a trusted notebook cannot run scripts,
 * but `<meta http-equiv="refresh">` needs none; no content security policy forbids it. A link that a person
 * follows, a download and JupyterLab's own moves between its pages go on.
 * @param base path below which the lab is served, with a trailing slash
 */
export function stayInLab(base: string): void {
  // Browsers from before 2026 may lack it; there the page can be left so.
  if (!('navigation' in window)) return;
  const pages = ['lab', 'doc', 'login', 'logout'].map((name) => `${base}${name}`);
  window.navigation.addEventListener('navigate', (event) => {
    const { userInitiated, cancelable, downloadRequest, destination, navigationType } = event;
    if (userInitiated || !cancelable || downloadRequest !== null || destination.sameDocument) return;
    const { origin, pathname } = new URL(destination.url);
    const isLab = pages.some((page) => pathname === page || pathname.startsWith(`${page}/`));
    if (navigationType === 'reload' || (origin === window.location.origin && isLab)) return;
    event.preventDefault();
    console.warn(`Navigation to ${origin}${pathname} was blocked: no link to it was clicked.`);
  });
}
