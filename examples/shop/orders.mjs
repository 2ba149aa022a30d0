// The same backend in JavaScript, with the official @segment/analytics-node: a sign-up, a cart and an order.
//   npm install @segment/analytics-node
//   DANGOL_WRITE_KEY=… node orders.mjs minji
import { randomUUID } from "node:crypto";
import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({
  writeKey: process.env.DANGOL_WRITE_KEY,
  host: process.env.DANGOL_URL ?? "http://127.0.0.1:8420",
});
const userId = process.argv[2] ?? "minji";
const failed = [];
analytics.on("error", (error) => failed.push(error));

analytics.identify({ userId, traits: { email: `${userId}@example.test`, name: userId, marketing_agreed: true } });
analytics.track({ userId, event: "Signed Up" });
analytics.track({ userId, event: "Product Added", properties: { cart_id: "n1", cart_value: 42000, product_name: "원두 1kg" } });
analytics.track({
  userId, event: "Order Completed",
  properties: { order_id: randomUUID(), cart_id: "n1", revenue: 42000, product_name: "원두 1kg" },
});
await analytics.closeAndFlush();
if (failed.length) {
  console.error(failed);
  process.exit(1);
}
console.log(`4 calls of ${userId} posted`);
