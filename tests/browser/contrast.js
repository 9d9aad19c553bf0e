// Contrasts by WCAG 2.2: of every visible text to what is behind it, and of every mark in a picture to its ground.
(() => {
  const rgb = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((each, n) => each * a + below[n] * (1 - a));
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.unshift(getComputedStyle(each).backgroundColor);
    return layers.reduce((below, layer) => over(rgb(layer), below), [255, 255, 255]);
  };
  const linear = (each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return Math.round(((bright + 0.05) / (dark + 0.05)) * 100) / 100;
  };
  const measured = (element, colour, what) => {
    const below = ground(element);
    return [ratio(over(rgb(colour), below), below), `${element.tagName}.${element.className.baseVal ?? element.className}`, what];
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim().slice(0, 40);
    if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    texts.push(measured(element, element.closest("svg") ? style.fill : style.color, text));
  }
  const marks = [...document.querySelectorAll(".plot .e use, .plot .b")].map((each) => {
    const style = getComputedStyle(each);
    return measured(each, each.matches(".b") ? style.fill : style.color, each.parentElement.className.baseVal);
  });
  return { texts, marks };
})()
