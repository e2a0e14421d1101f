// The operator's console, as far as the waiting and booking of this walk need it.
import { Person } from "./people.mjs";

export async function signIn(stage) {
  const { surveyor } = stage;
  const operator = await Person.arrive(stage, { name: "operator", width: 1280 });
  await operator.open("/operator");
  await surveyor.survey(operator.page, "operator-sign-in");
  await operator.say({ name: "operator", password: stage.password });
  await operator.press("form[action='/operator/sign-in'] button");
  await surveyor.survey(operator.page, "operator-overview");
  await operator.open("/operator/rooms/1");
  await surveyor.survey(operator.page, "operator-room");
  await operator.open("/operator/campaigns/1");
  await surveyor.survey(operator.page, "operator-campaign");
  return operator;
}

export async function pause(stage, operator, why) {
  await operator.open("/operator/rooms/1");
  await operator.say({ "pause-reason": why });
  await operator.press("form[action$='/pause'] button");
  await stage.surveyor.survey(operator.page, "operator-sure", { still: true });
  await operator.press("form[action$='/pause'] button");
  await stage.surveyor.survey(operator.page, "operator-paused");
}

export async function resume(operator) {
  await operator.open("/operator/rooms/1");
  await operator.press("form[action$='/resume'] button");
}
