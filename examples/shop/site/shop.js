// A shop that speaks to its customers' phones only through events: every line here is the official client's own API.
const products = [
  { id: "p1", name: "무선 청소기", price: 189000 },
  { id: "p2", name: "원두 1kg", price: 32000 },
  { id: "p3", name: "수세미", price: 3000 },
];
const won = new Intl.NumberFormat("ko-KR", { style: "currency", currency: "KRW" });
const $ = (id) => document.getElementById(id);
const cart = { id: crypto.randomUUID(), items: [] };
let user = null;

const said = (text) => { $("log").textContent = text; };
const total = () => cart.items.reduce((sum, item) => sum + item.price, 0);

function drawProducts() {
  for (const product of products) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = `${product.name} ${won.format(product.price)}`;
    const add = document.createElement("button");
    add.textContent = "담기";
    add.dataset.product = product.id;
    add.addEventListener("click", () => addToCart(product));
    row.append(name, add);
    $("products").append(row);
  }
}

function drawCart() {
  $("basket").textContent = cart.items.length
    ? `${cart.items.map((item) => item.name).join(", ")} · ${won.format(total())}` : "비어 있습니다";
  $("pay").disabled = !cart.items.length;
}

async function signUp(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  user = form.get("user_id");
  const traits = { name: form.get("name"), email: form.get("email"), phone: form.get("phone"), locale: navigator.language };
  if (form.get("consent")) traits.marketing_agreed = true;
  await analytics.identify(user, traits);
  await analytics.track("Signed Up", { plan: "basic" });
  $("who").textContent = `${form.get("name")}님, 반갑습니다`;
  said("가입: 환영 메시지가 곧 도착합니다");
}

async function addToCart(product) {
  cart.items.push(product);
  await analytics.track("Product Added", {
    cart_id: cart.id, product_id: product.id, product_name: product.name, cart_value: total(),
  });
  drawCart();
  said(`담음: ${product.name}`);
}

// An order is the backend's word: it posts `Order Completed` with the official Python client.
async function pay() {
  const order = { user_id: user, anonymous_id: analytics.user().anonymousId(), cart_id: cart.id, revenue: total(), product_name: cart.items.at(-1).name };
  const answer = await fetch("/orders", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order) });
  if (!answer.ok) return said("결제하지 못했습니다");
  cart.items = [];
  cart.id = crypto.randomUUID();
  drawCart();
  said("결제: 주문이 접수되었습니다");
}

drawProducts();
drawCart();
$("signup").addEventListener("submit", signUp);
$("pay").addEventListener("click", pay);
analytics.ready(() => { document.body.dataset.analytics = "ready"; });
analytics.page();
