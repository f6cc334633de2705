// A program of an application: what it may say is checked by the compiler, what it is answered by tests/clients.
import { answerOf, Refused, whycart, type ItemOut } from "whycart-client";

const shop = whycart({ baseUrl: "URL", apiKey: "KEY" });

const list = await answerOf(
  shop.GET("/v1/recommend/{user_id}", {
    params: { path: { user_id: "u1" }, query: { n: 3, category: ["food", "drinks"], explain: "paths" } },
  }),
);
const best: ItemOut | undefined = list.items[0];
console.log("list", list.items.length <= 3, best?.paths[0]?.nodes[0]?.id, best?.metadata.title !== undefined);

const session = await answerOf(
  shop.POST("/v1/recommend", { body: { events: [{ product_id: "p02", type: "viewed" }], n: 2, filter: "price < 8" } }),
);
console.log("session", session.items.length);

const sent = await answerOf(
  shop.POST("/v1/events", { body: { events: [{ user_id: "u7", product_id: "p05", type: "bought", event_id: "ts-1" }] } }),
);
console.log("events", sent.accepted, sent.event_ids);

const profile = await answerOf(shop.GET("/v1/profile/{user_id}", { params: { path: { user_id: "a/b ü?" } } }));
console.log("id", profile.user_id);

const queries = await answerOf(shop.GET("/v1/graph/queries"));
console.log("queries", queries.queries.some((query) => query.name === "co_purchased"));

const metrics = await answerOf(shop.GET("/metrics", { parseAs: "text" }));
console.log("metrics", metrics.includes("whycart_"));

const { data, error, response } = await shop.GET("/v1/recommend/{user_id}", {
  params: { path: { user_id: "u1" }, query: { n: 1000 } },
});
console.log("error", data, response.status, error?.detail.includes("500"));

try {
  await answerOf(shop.GET("/v1/similar/{product_id}", { params: { path: { product_id: "p99" } } }));
} catch (caught) {
  console.log("refused", caught instanceof Refused && [caught.status, caught.problem?.type]);
}

try {
  await answerOf(whycart({ baseUrl: "URL" }).GET("/v1/trending"));
} catch (caught) {
  console.log("without a key", caught instanceof Refused && caught.status);
}

try {
  await answerOf(whycart({ baseUrl: "SILENT", timeoutMs: 200 }).GET("/health/live"));
} catch (caught) {
  console.log("silent", caught instanceof Error && caught.name);
}

export async function wrong(): Promise<void> {
  // @ts-expect-error there is no such route
  await shop.GET("/v1/recomend/{user_id}", { params: { path: { user_id: "u1" } } });
  // @ts-expect-error a user is missing
  await shop.GET("/v1/recommend/{user_id}");
  // @ts-expect-error there is no such parameter
  await shop.GET("/v1/trending", { params: { query: { numbers: 3 } } });
  // @ts-expect-error a product is missing
  await shop.POST("/v1/events", { body: { events: [{ user_id: "u1" }] } });
  // @ts-expect-error there is no such field
  console.log(list.items[0]?.scores);
}
