package invariant

// Rules of TestScript, which has the same kinds of actions in setup, test and teardown.

func singleAssertion() rule {
	return atMostOne("contentType", "expression", "headerField", "minimumId", "navigationLinks", "path", "requestMethod",
		"resource", "responseCode", "response", "validateProfileId").onlyWithout("extension")
}

func operationTarget() rule {
	return exactlyOne("targetId", "url", "params").onlyWithout("sourceId").
		unless(on("type", func(doc []byte, at int) bool {
			return equals(doc, at, "code", "capabilities", "search", "transaction", "history")
		}))
}

func sourceCompared() rule {
	return allOf(
		broken(with("compareToSourceId").without("compareToSourceExpression", "compareToSourcePath")),
		implies("compareToSourceExpression", "compareToSourceId"),
		implies("compareToSourcePath", "compareToSourceId"),
	)
}
