// Plays a short game by the types that openapi-typescript has made. Prints what it has seen, as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated.js";

export async function play(baseUrl: string, token: string): Promise<Record<string, unknown>> {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
  const metadata: components["schemas"]["JsonObject"] = { title: "typescript", rounds: [1, 2] };
  const created = await client.POST("/v1/sessions", {
    body: {
      sync_mode: "per_participant",
      participants: [
        { participant_id: "aaaaaaaa-0000-4000-8000-000000000001", total_time_ms: 60_000 },
        { participant_id: "bbbbbbbb-0000-4000-8000-000000000002", total_time_ms: 60_000 },
      ],
      action_on_timeout: { type: "notify", sound: "gong" },
      metadata,
    },
  });
  if (!created.data) throw new Error(created.error.error.message);
  const session_id: string = created.data.data.session_id;
  const path = { session_id };
  const started = await client.POST("/v1/sessions/{session_id}/start", { params: { path } });
  const switched = await client.POST("/v1/sessions/{session_id}/switch", {
    params: { path, header: { "Idempotency-Key": "typescript" } },
    body: { current_participant_id: "aaaaaaaa-0000-4000-8000-000000000001" },
  });
  const read = await client.GET("/v1/sessions/{session_id}", { params: { path } });
  const refused = await client.POST("/v1/sessions/{session_id}/start", { params: { path } });
  const controlOf = async (time_control: components["schemas"]["TimeControl"] | string) => {
    const participants = [
      { participant_id: "aaaaaaaa-0000-4000-8000-000000000001" },
      { participant_id: "bbbbbbbb-0000-4000-8000-000000000002" },
    ];
    const answer = await client.POST("/v1/sessions", {
      body: { sync_mode: "per_participant", participants, time_control },
    });
    return answer.data?.data.time_control;
  };
  const byoYomi = await controlOf({ type: "byo_yomi", main_time_ms: 60_000, periods: 3, period_ms: 30_000 });
  const stages = await controlOf("40/5400+30:1800+30");
  return {
    started: started.data?.data.status,
    active: switched.data?.data.active_participant_id,
    version: read.data?.data.version,
    metadata: read.data?.data.metadata,
    refused: refused.error?.error.code,
    periods: byoYomi?.type === "byo_yomi" ? byoYomi.periods : null,
    turns: stages?.type === "stages" ? stages.stages[0]?.turns : null,
  };
}
